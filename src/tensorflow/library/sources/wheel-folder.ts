import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { WheelSource } from './wheel-source.js';

/** A folder into which someone copied the wheels: `PIPELINE_WHEELS`. They are left as they are. */
export function wheelFolder(folder: string): WheelSource {
  const directory = resolve(folder);
  return {
    name: `the folder ${directory} (PIPELINE_WHEELS)`,
    fetch(wheel) {
      const path = join(directory, wheel.filename);
      return existsSync(path)
        ? Promise.resolve({ path, ours: false })
        : Promise.reject(new Error(`it has no ${wheel.filename}`));
    },
  };
}
