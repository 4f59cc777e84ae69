import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SetupOptions } from '../../../../src/tensorflow/install/setup.js';
import type { SetupEvent } from '../../../../src/tensorflow/install/wheel-source.js';
import { tinyRelease } from './tiny-release.js';

/** An empty home folder, and a machine on which there is no Python. */
export class Sandbox {
  readonly folder = mkdtempSync(join(tmpdir(), 'library '));
  readonly cache = join(this.folder, 'cache');
  readonly events: SetupEvent[] = [];

  environment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const bin = join(this.folder, 'bin');
    mkdirSync(bin, { recursive: true });
    return { HOME: this.folder, PATH: bin, PIPELINE_CACHE: this.cache, PIPELINE_DEVICE: 'cpu', ...more };
  }

  options(more: NodeJS.ProcessEnv = {}): SetupOptions & { env: NodeJS.ProcessEnv } {
    return { env: this.environment(more), release: tinyRelease, report: (event) => this.events.push(event) };
  }

  get steps(): string[] {
    return this.events.flatMap((event) => (event.type === 'progress' ? [] : [event.message]));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
