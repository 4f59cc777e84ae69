import { type FileHandle, readdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../base/errors.js';
import { asUserError, openFile } from '../base/files.js';

/** Content of a file of weights or arrays, by its first bytes. */
export type FileContent = 'archive' | 'safetensors' | 'other';

const headBytes = 512;

/**
 * Tells what a file holds.
 *
 * @throws UserError `file-foreign` for what is often found in the place of weights and arrays, by its name; `file-missing`
 */
export async function refuseForeign(path: string): Promise<FileContent> {
  const { head, bytes } = await headOf(path);
  const part = path.endsWith('.distcp') ? distributed('it is a part of', dirname(path)) : undefined;
  const found = failedCopy(head) ?? foreign(head) ?? part;
  if (found !== undefined) throw refusal(path, ...found);
  return contentOf(head, bytes);
}

/**
 * Refuses what a copy or download that failed leaves in the place of any file: an empty file, a pointer of Git LFS, a page.
 *
 * @throws UserError `file-foreign` or `file-missing`
 */
export async function refuseFailedCopy(path: string): Promise<void> {
  const found = failedCopy((await headOf(path)).head);
  if (found !== undefined) throw refusal(path, ...found);
}

async function headOf(path: string): Promise<{ readonly head: Buffer; readonly bytes: number }> {
  let file: FileHandle | undefined;
  try {
    file = await openFile(path);
    const status = await file.stat();
    if (status.isDirectory()) throw await foreignFolder(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return { head: buffer.subarray(0, bytesRead), bytes: status.size };
  } catch (error) {
    throw asUserError(error, path);
  } finally {
    await file?.close();
  }
}

function contentOf(head: Buffer, bytes: number): FileContent {
  if (head.toString('latin1', 0, 4) === 'PK\x03\x04') return 'archive';
  // A header's length in eight bytes, then JSON.
  const isHeader = head.length > 8 && head[8] === 0x7b && head.readBigUInt64LE() <= BigInt(bytes - 8);
  return isHeader ? 'safetensors' : 'other';
}

const again = 'Download or copy the file again.';

type Named = readonly [what: string, remedy: string];

/** Name of what a copy that failed leaves, and what to do about it. */
function failedCopy(head: Buffer): Named | undefined {
  const text = head.toString('latin1');
  const start = text.replace(/^\xef\xbb\xbf/, '').trimStart();
  if (head.length === 0) return ['it is empty', again];
  if (head.every((byte) => byte === 0))
    return ['it begins with zeros only, as an interrupted download leaves', again];
  if (start.startsWith('version https://git-lfs'))
    return [
      `it is a pointer of Git LFS to ${/^size (\d+)$/m.exec(text)?.[1] ?? 'some'} bytes, not the file itself`,
      'Fetch the file: git lfs pull, in the repository that it is in; or download it from its page.',
    ];
  if (/^<(!doctype|html|head|\?xml)/i.test(start))
    return [
      `it is a web page${titleOf(text)}, not the file itself`,
      'Download the file again: the address was that of a page about it, or asked for a confirmation or a login.',
    ];
  if (
    /^(\{\s*"(error|message)"|Access to |Invalid username|Entry not found|Repository not found)/.test(start)
  )
    return [`it is a server's refusal: ${start.split('\n', 1)[0]!.slice(0, 120)}`, again];
  return undefined;
}

/** Name of content that is of another kind than weights or archives of arrays, and what to do about it. */
function foreign(head: Buffer): Named | undefined {
  const text = head.toString('latin1');
  if (head[0] === 0x1f && head[1] === 0x8b)
    return ['it is compressed by gzip', 'Unpack it: gunzip, or tar -xzf.'];
  if (text.slice(257, 262) === 'ustar')
    return ['it is a tar archive', 'Unpack it: tar -xf. Name a file in it.'];
  if (text.startsWith('\x93NUMPY'))
    return [
      'it is one array of NumPy (.npy)',
      'Arrays are read from archives (.npz): numpy.savez(path, array).',
    ];
  if (text.startsWith('\x89HDF'))
    return ['it is an HDF5 file, as Keras saves', 'Name a checkpoint of PyTorch, or a safetensors file.'];
  if (text.startsWith('GGUF'))
    return ['it is a GGUF file', 'Name a checkpoint of PyTorch, or a safetensors file.'];
  return undefined;
}

const distributed = (is: string, folder: string): Named => [
  `${is} a distributed checkpoint of PyTorch (torch.distributed.checkpoint)`,
  `Make a file of it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch ${folder} weights.pt`,
];

function titleOf(text: string): string {
  const title = /<title>\s*([^<]{1,80})/i.exec(text)?.[1]?.trim();
  return title === undefined ? '' : ` ("${title}")`;
}

function refusal(path: string, what: string, remedy: string): UserError {
  return new UserError({ code: 'file-foreign', message: `${path}: ${what}.`, remedy });
}

/** Names that weights have in folders of training programs and of Hugging Face's libraries. */
export const weightsName = /\.(pt|pth|ckpt|bin|safetensors|(safetensors|bin)\.index(\.\w+)?\.json)$/i;

/** The error of a folder that is given where a file of weights is expected, by what is in it. */
export async function foreignFolder(path: string): Promise<UserError> {
  const names = await readdir(path).catch((error: unknown) => {
    throw asUserError(error, path);
  });
  if (names.includes('.metadata') && names.some((name) => name.endsWith('.distcp')))
    return refusal(path, ...distributed('it is', path));
  if (names.includes('zero_to_fp32.py'))
    return refusal(
      path,
      'it is a checkpoint of DeepSpeed, whose weights may be divided among files',
      `Make one of them: python ${path}/zero_to_fp32.py ${path} weights.pt`,
    );
  const weights = names.filter((name) => weightsName.test(name)).sort();
  const index = weights.find((name) => name.endsWith('.json'));
  const named = index === undefined ? weights : [index];
  return new UserError({
    code: 'model-invalid',
    message: `${path}: expected the description of a model of this version (model.json), found ${named.length === 0 ? 'no weights' : `the weights ${named.slice(0, 8).join(', ')}`}.`,
    remedy:
      named.length === 0 ? 'Import or train the model again.' : 'Name the file of weights, not its folder.',
  });
}
