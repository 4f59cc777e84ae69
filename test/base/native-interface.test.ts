import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { execa, execaSync } from 'execa';
import { expect, it } from 'vitest';
import { nodeProgram } from '../support/programs.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { describeUnless } from '../support/unless.js';

const strace = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync'];
const isTraced = !execaSync('strace', [...strace, 'true'], { reject: false }).failed;

describeUnless(isTraced ? undefined : 'there is no strace, or it may not trace', 'a process', () => {
  it.each(['1+', '2+'])(
    'ends with its exit code though what it printed cannot be synced, from the sync %s on',
    async (when) => {
      const folder = await temporaryFolder('sync');
      const options = nodeProgram('src/base/native-interface.ts');
      const url = pathToFileURL(options.pop()!).href;
      const program = join(folder, 'program.mjs');
      await writeFile(
        program,
        `import { nativeInterface } from '${url}'; nativeInterface(); process.exit(3);`,
      );
      const inject = ['-e', `inject=fsync:error=EIO:when=${when}`, process.execPath, ...options, program];
      const { exitCode } = await execa('strace', [...strace, ...inject], {
        ...{ reject: false, timeout: 30_000, killSignal: 'SIGKILL' },
        stderr: { file: join(folder, 'stderr') },
      });
      expect(exitCode).toBe(3);
    },
    60_000,
  );
});
