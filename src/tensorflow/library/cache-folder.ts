import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The per-user folder for what was fetched once and serves every checkout: `PIPELINE_CACHE`, or the
 * platform's own place for caches. It need not exist.
 */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.PIPELINE_CACHE) return resolve(env.PIPELINE_CACHE);
  if (env.XDG_CACHE_HOME) return resolve(env.XDG_CACHE_HOME, 'mediator-sit');
  const home = env.HOME ?? homedir();
  return process.platform === 'darwin'
    ? join(home, 'Library', 'Caches', 'mediator-sit')
    : join(home, '.cache', 'mediator-sit');
}
