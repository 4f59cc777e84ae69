import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { execa } from 'execa';
import { afterEach, describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/distributed/cluster.js';
import { groupName } from '../../../src/distributed/control.js';
import { followLeader } from '../../../src/distributed/follow.js';
import { ClusterLeader } from '../../../src/distributed/leader.js';
import { freePorts } from '../../support/free-ports.js';

let leader: ClusterLeader | undefined;
let server: Server | undefined;

afterEach(async () => {
  await leader?.end(0);
  server?.close();
  leader = server = undefined;
});

async function twoProcesses(): Promise<Cluster> {
  const [port] = (await freePorts(1)) as [number];
  const addresses = ['127.0.0.1:1', '127.0.0.1:2'];
  return { rank: 0, addresses, control: `127.0.0.1:${port}`, source: 'TF_CONFIG' };
}

async function reach({ control }: Cluster): Promise<Socket> {
  const socket = connect(Number(control.split(':')[1]), '127.0.0.1');
  await once(socket, 'connect');
  return socket.on('error', () => undefined).resume();
}

/** Whether the other side ends the connection after `lines`. */
async function isRefused(cluster: Cluster, ...lines: string[]): Promise<boolean> {
  const socket = await reach(cluster);
  const closed = once(socket, 'close').then(() => true);
  socket.write(lines.map((line) => `${line}\n`).join(''));
  const waited = new Promise<false>((resolve) => setTimeout(resolve, 1_000, false));
  const refused = await Promise.race([closed, waited]);
  socket.destroy();
  return refused;
}

const hello = (cluster: Cluster) => JSON.stringify({ type: 'hello', rank: 1, group: groupName(cluster) });

const noMessages = [
  ...['null', '5', '"hello"', '[]', '{}', '{', '', '\u0000', '{"type":null}', '{"type":"__proto__"}'],
  ...[
    '{"type":"hello"}',
    '{"type":"hello","rank":1,"group":"x"}',
    '{"type":"hello","rank":"1","group":null}',
  ],
  ...['{"type":"hello","rank":0,"group":"GROUP"}', '{"type":"hello","rank":2,"group":"GROUP"}'],
];
const noAnswers = [
  ...[
    'null',
    '{}',
    '{"type":"told"}',
    '{"type":"told","attempt":1}',
    '{"type":"told","attempt":1,"message":null}',
  ],
  '{"type":"told","attempt":1,"message":{"type":"event","event":null}}',
  '{"type":"told","attempt":1,"message":{"type":"failed"}}',
  '{"type":"told","attempt":1,"message":{"type":"failed","failure":{"message":5,"consequence":true}}}',
  ...[
    '{"type":"ended","attempt":1}',
    '{"type":"ended","attempt":1,"end":null}',
    '{"type":"start","attempt":1}',
  ],
];

describe("process 0's control port", () => {
  it('ends the connection of what says anything but who it is, and goes on', async () => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    for (const line of noMessages)
      expect(await isRefused(cluster, line.replace('GROUP', groupName(cluster))), line).toBe(true);
    expect(await isRefused(cluster, hello(cluster))).toBe(false);
  });

  it.each(noAnswers)('loses a process that says %j, whose worker has then ended', async (line) => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    const socket = await reach(cluster);
    socket.write(`${hello(cluster)}\n`);
    await leader.everyone(new AbortController().signal, 5_000);
    const worker = leader.startWorker(1, 1, 'auto');
    worker.messages.subscribe();
    socket.write(`${line}\n`);
    expect((await worker.ended).how).toContain('cannot be reached any more');
  });

  it('waits for the others as long as it runs itself: time in which it is stopped does not count', async () => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    const everyone = leader.everyone(new AbortController().signal, 2_000);
    everyone.catch(() => undefined);
    // As where the process is stopped: nothing of it runs.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const socket = await reach(cluster);
    socket.write(`${hello(cluster)}\n`);
    await everyone;
  });

  it('tells who did not appear in time', async () => {
    leader = await ClusterLeader.listen(await twoProcesses());
    await expect(leader.everyone(new AbortController().signal, 400)).rejects.toMatchObject({
      code: 'cluster-incomplete',
      message: 'Of 2 processes (counted from 0), 1 did not appear within 0.4 s.',
    });
  });

  it('takes one process once, and again when it has gone', async () => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    expect(await isRefused(cluster, hello(cluster), hello(cluster))).toBe(true);
    expect(await isRefused(cluster, hello(cluster))).toBe(false);
  });

  it('ends the connection of a line that has no end, and forgets half a line', async () => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    const endless = await reach(cluster);
    const closed = new Promise((resolve) =>
      endless.on('close', () => {
        resolve(true);
      }),
    );
    for (let i = 0; i < 20; i++) endless.write(Buffer.alloc(2 ** 20, 'x'));
    const waited = new Promise((resolve) => setTimeout(resolve, 15_000, false));
    expect(await Promise.race([closed, waited])).toBe(true);
    const half = await reach(cluster);
    const gone = new Promise((resolve) => half.on('close', resolve));
    half.end(hello(cluster).slice(0, 20));
    await gone;
    expect(await isRefused(cluster, hello(cluster))).toBe(false);
  });

  it('is named where another program has it', async () => {
    const cluster = await twoProcesses();
    const port = Number(cluster.control.split(':')[1]);
    const holder = createServer();
    await once(holder.listen(port, '127.0.0.1'), 'listening');
    await expect(ClusterLeader.listen(cluster)).rejects.toMatchObject({
      code: 'cluster-port-taken',
      message: expect.stringContaining(`Port ${port},`) as string,
    });
    await once(holder.close(), 'close');
    leader = await ClusterLeader.listen(cluster);
    expect(await isRefused(cluster, hello(cluster))).toBe(false);
  });

  it('survives 300 lines that were damaged at random', async () => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    const seeds = [...noMessages, ...noAnswers, hello(cluster)];
    let state = 7;
    const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below;
    const damaged = () => {
      const line = Buffer.from(seeds[random(seeds.length)]!);
      for (let i = 0; i < 3 && line.length > 0; i++) line[random(line.length)] = random(256);
      return line;
    };
    for (let round = 0; round < 60; round++) {
      const socket = await reach(cluster);
      for (let i = 0; i < 5; i++) socket.write(Buffer.concat([damaged(), Buffer.from('\n')]));
      socket.end();
      await once(socket, 'close');
    }
    expect(await isRefused(cluster, hello(cluster))).toBe(false);
  });

  it('listens on this machine only, where all processes are on it', async () => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    const elsewhere = connect(Number(cluster.control.split(':')[1]), '127.0.0.2');
    const [error] = (await once(elsewhere, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    expect(await isRefused(cluster, hello(cluster))).toBe(false);
  });

  const other = process.platform === 'linux' && process.getuid?.() === 0;
  it.skipIf(!other)(
    `refuses another user of this machine${other ? '' : ' (skipped: only root can become one)'}`,
    async () => {
      const cluster = await twoProcesses();
      leader = await ClusterLeader.listen(cluster);
      const port = cluster.control.split(':')[1]!;
      // It becomes the other user itself, who might not be allowed to start this Node.
      const program = `process.setgid(65534); process.setuid(65534);
        const s = require('net').connect(${port}, '127.0.0.1', () => s.write(${JSON.stringify(`${hello(cluster)}\n`)}));
        s.on('error', () => {}).on('close', () => { console.log('refused'); process.exit(); }).resume();
        setTimeout(() => { console.log('taken'); process.exit(); }, 2000);`;
      const { stdout } = await execa(process.execPath, ['-e', program], { cwd: '/' });
      expect(stdout).toBe('refused');
      expect(await isRefused(cluster, hello(cluster))).toBe(false);
    },
  );
});

describe('a process that follows', () => {
  it('tells its leader why it cannot start a worker', async () => {
    const cluster = await twoProcesses();
    leader = await ClusterLeader.listen(cluster);
    const start = () => {
      throw new Error('There are too few GPUs.');
    };
    const following = followLeader({ ...cluster, rank: 1 }, start, new AbortController().signal);
    await leader.everyone(new AbortController().signal, 5_000);
    const worker = leader.startWorker(1, 1, 'auto');
    expect((await worker.ended).how).toBe('could not be started: There are too few GPUs.');
    await leader.end(7);
    expect(await following).toBe(7);
  });

  it.each(['null', '{}', '{"type":"start"}', '{"type":"tell","attempt":1,"message":null}', '{"type":"end"}'])(
    'leaves a leader that says %j',
    async (line) => {
      const cluster = { ...(await twoProcesses()), rank: 1 };
      server = createServer((socket) => socket.on('error', () => undefined).write(`${line}\n`));
      await once(server.listen(Number(cluster.control.split(':')[1]), '127.0.0.1'), 'listening');
      const start = () => expect.fail('A worker was started.');
      await expect(followLeader(cluster, start, new AbortController().signal)).rejects.toMatchObject({
        code: 'leader-lost',
      });
    },
  );

  it('stops waiting for its leader when it is interrupted', async () => {
    const cluster = { ...(await twoProcesses()), rank: 1 };
    const start = () => expect.fail('A worker was started.');
    await expect(followLeader(cluster, start, AbortSignal.timeout(300))).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});
