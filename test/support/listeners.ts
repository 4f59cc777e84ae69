import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process and all that it started, and they. Linux only. */
export function processTree(pid: number): number[] {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
  return [pid, ...children.flatMap(processTree)];
}

/** Where processes listen: `host:port` of TCP as /proc has it, and paths of sockets. */
export function listeners(pids: readonly number[]): { readonly tcp: string[]; readonly unix: string[] } {
  const inodes = new Set(pids.flatMap(socketsOf));
  const rows = (path: string) =>
    read(path)
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/));
  const listening = '0A';
  const tcp = ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap(rows)
    .filter((row) => row[3] === listening && inodes.has(row[9]!))
    .map((row) => row[1]!);
  const acceptsConnections = 0x10000;
  const unix = rows('/proc/net/unix')
    .filter((row) => (parseInt(row[3]!, 16) & acceptsConnections) !== 0 && inodes.has(row[6]!))
    .map((row) => row[7] ?? '');
  return { tcp, unix };
}

function socketsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${name}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
