import { basename } from 'node:path';

const [wanted, passage = '1'] = process.env.PIPELINE_KILL_AT?.split('#') ?? [];
let passages = 0;

/**
 * A moment at which a test of recovery has the process die, as by SIGKILL: `PIPELINE_KILL_AT="renamed model.json"`, or
 * with `#2` at its second passage. Costs a comparison where none is asked for.
 *
 * @param event what has just happened, such as `renamed`
 * @param path of the file or folder that it happened to: the moment's name has its last part
 */
export function faultPoint(event: string, path?: string): void {
  if (wanted === undefined) return;
  const name = path === undefined ? event : `${event} ${basename(path)}`;
  if (name === wanted && ++passages === Number(passage)) process.kill(process.pid, 'SIGKILL');
}
