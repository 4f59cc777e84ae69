import { checkAttention } from './attention-check.js';
import { TensorFlowError } from './c-api.js';
import { engineNotices, type Session } from './session.js';

/**
 * Writes a program and runs it for the first time in a session that compiles. Where cuDNN cannot do its attention, or
 * does it wrongly, or XLA cannot compile it, the session goes on without, with the next try, and says so.
 */
export async function firstRun<T>(session: Session, tryIt: () => Promise<T>): Promise<T> {
  session.checkAttention ??= (size) => checkAttention(session.options, size);
  try {
    return await tryIt();
  } catch (error) {
    if (!session.compiles || !(error instanceof TensorFlowError)) throw error;
    const refused = session.fusesAttention && /cudnn/i.test(error.message);
    session.goWithout(refused ? 'fused attention' : 'XLA');
    // Where the program itself is at fault, the error comes again.
    const result = await firstRun(session, tryIt);
    const what = refused
      ? 'cuDNN could not do the attention of a program, which now keeps its scores in memory'
      : 'XLA could not compile a program, which now runs operation by operation';
    engineNotices.next(`${what}, and slower: ${reasonIn(error.message)}`);
    return result;
  }
}

/** First line of an error that says something: TensorFlow counts several errors before it tells them. */
function reasonIn(message: string): string {
  const [reason = message] = message.split('\n').filter((line) => !line.includes('root error(s) found'));
  return reason.replace(/^\s*\(\d+\)\s*/, '');
}
