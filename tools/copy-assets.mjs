/**
 * Copies the files of the sources that are not compiled (style sheets, scripts of pages, programs in other languages) to
 * where the compiled modules read them: `node tools/copy-assets.mjs [FOLDER]`, `dist` unless another is named.
 */
import { cpSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const from = join(root, 'src');
const into = process.argv[2] ?? join(root, 'dist');

for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || /\.c?ts$/.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  cpSync(path, join(into, path.slice(from.length)));
}
