import { EagerSession, type ProgramSession } from '../tensorflow/index.js';
import { EagerTrainer } from './eager-trainer.js';
import { SessionTrainer } from './session-trainer.js';
import type { Trainer, TrainerOptions } from './trainer.js';

/** A trainer whose state lives in the session: compiled where that is native, step by step otherwise. */
export function openTrainer(session: ProgramSession, options: TrainerOptions): Trainer {
  return session instanceof EagerSession
    ? new EagerTrainer(session, options)
    : new SessionTrainer(session, options);
}
