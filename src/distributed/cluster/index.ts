import type { Cluster } from './cluster.js';
import { slurmCluster } from './slurm.js';
import { tfConfigCluster } from './tf-config.js';

export { type Cluster, isOnOneMachine } from './cluster.js';

/**
 * The cluster that this process was started in, as TF_CONFIG or Slurm's environment describes it; nothing where
 * it stands alone.
 *
 * @throws UserError `cluster-invalid`
 */
export function describedCluster(env: NodeJS.ProcessEnv): Cluster | undefined {
  return tfConfigCluster(env) ?? slurmCluster(env);
}
