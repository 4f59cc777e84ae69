import {
  type ProgramSession,
  type RuntimeOptions,
  type WorkerServer,
  openSession,
} from '../../tensorflow/index.js';

/**
 * A session for programs of SiT models. They have few constants and no dense convolutions, and their products are
 * written with their biases: TensorFlow's rewriting would make them no faster, and takes as long as all else of a trace.
 */
export function openSitSession(runtime: RuntimeOptions = {}, server?: WorkerServer): ProgramSession {
  return openSession({ rewriting: false, ...runtime }, server);
}
