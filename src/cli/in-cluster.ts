import { type Cluster, describedCluster, isOnOneMachine } from '../distributed/cluster/index.js';
import { followLeader } from '../distributed/cluster/follow.js';
import { ClusterLeader } from '../distributed/cluster/leader.js';
import { clusterEnvironment } from '../distributed/execute.js';
import { startLocalWorker, thisProgram } from '../distributed/local-worker.js';
import { isAbortError } from '../streams/index.js';
import { onInterrupt } from './interrupts.js';
import { exitCodes, type Services } from './services.js';

/**
 * Lets the first process of a cluster do `work`, and the others what it asks for; a process that stands alone does it
 * by itself. All have the same exit code.
 */
export async function inCluster(
  services: Services,
  work: (leader: ClusterLeader | undefined) => Promise<number>,
): Promise<number> {
  const cluster = describedCluster(services.env);
  if (cluster === undefined) return work(undefined);
  if (cluster.rank > 0) return follow(cluster, services);
  if (!isOnOneMachine(cluster))
    services.stderr.write(
      `warning: ${cluster.addresses.length} processes (${cluster.source}) exchange without encryption or password, and listen on all interfaces of their machines: whoever reaches their ports can run code as you. Keep them within a network that you trust (docs/workers.md).\n`,
    );
  const leader = await ClusterLeader.listen(cluster);
  let exitCode: number = exitCodes.failed;
  try {
    exitCode = await work(leader);
    return exitCode;
  } finally {
    await leader.end(exitCode);
  }
}

async function follow(cluster: Cluster, { stdout, forceExit }: Services): Promise<number> {
  const { rank, addresses, control, source } = cluster;
  const interrupts = onInterrupt(() => undefined, forceExit);
  stdout.write(`Process ${rank} of ${addresses.length} (${source}): works for process 0 at ${control}.\n`);
  try {
    return await followLeader(
      cluster,
      (device) => startLocalWorker(thisProgram(), rank, clusterEnvironment(cluster, device)),
      interrupts.signal,
    );
  } catch (error) {
    // Before process 0 was there to be told.
    if (isAbortError(error)) return exitCodes.interrupted;
    throw error;
  } finally {
    interrupts.release();
  }
}
