/** `npm run package:vscode`: bundles the extension for VS Code, and packs it with @vscode/vsce, which is fetched. */
import { execFileSync } from 'node:child_process';
import { copyFile, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const packer = '@vscode/vsce@3.9.2';
const root = fileURLToPath(new URL('..', import.meta.url));
const sources = join(root, 'editors/vscode');
const folder = await mkdtemp(join(tmpdir(), 'vscode-'));
try {
  await build({
    entryPoints: [join(sources, 'src/extension.ts')],
    outfile: join(folder, 'dist/extension.cjs'),
    ...{
      bundle: true,
      minify: true,
      platform: 'node',
      target: 'node20',
      external: ['vscode'],
      logLevel: 'warning',
    },
  });
  for (const name of ['package.json', 'README.md']) await cp(join(sources, name), join(folder, name));
  await copyFile(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  await copyFile(join(root, 'schemas/editor.schema.json'), join(folder, 'dist/editor.schema.json'));
  const out = join(root, 'mediator-sit-vscode.vsix');
  const pack = ['package', '--no-dependencies', '--allow-missing-repository', '--skip-license'];
  execFileSync('npm', ['exec', '--yes', `--package=${packer}`, '--', 'vsce', ...pack, '--out', out], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  console.log(out);
} finally {
  await rm(folder, { recursive: true });
}
