import type { Socket } from 'node:net';
import { readWholeTextSync } from '../base/files.js';
import { isLoopback } from './cluster.js';

/**
 * True when this user's process is at the other end of a connection, as far as that can be known: of one within this
 * machine the system (Linux) tells whose it is. What comes from other machines is taken for ours.
 *
 * @param other what is at the other end. Who has not taken a connection yet is known by what listens there
 * Source: proc_pid_net(5), `/proc/net/tcp`.
 */
export function isOwn(
  { remoteAddress = '', remotePort, localPort }: Socket,
  other: 'listener' | 'caller',
): boolean {
  if (process.platform !== 'linux' || !isLoopback(remoteAddress.replace(/^::ffff:/, ''))) return true;
  const rows = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap(rowsOf);
  if (rows.length === 0) return true;
  const ends = rows.filter(
    ({ local, remote, listens }) =>
      local === remotePort && (other === 'listener' ? listens : remote === localPort),
  );
  const uid = String(process.getuid?.());
  return ends.length > 0 && ends.every((end) => end.uid === uid);
}

interface Row {
  readonly local: number;
  readonly remote: number;
  readonly listens: boolean;
  readonly uid: string;
}

function rowsOf(path: string): Row[] {
  let text: string;
  try {
    text = readWholeTextSync(path);
  } catch {
    return [];
  }
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => {
      const [, local = '', remote = '', state, , , , uid = ''] = line.trim().split(/\s+/);
      return { local: portOf(local), remote: portOf(remote), listens: state === '0A', uid };
    });
}

const portOf = (address: string): number => parseInt(address.slice(address.lastIndexOf(':') + 1), 16);
