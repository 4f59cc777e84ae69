import { TensorFlowError } from './c-api.js';
import { DataTypeCode } from './data-types.js';
import { EagerBinding, type EagerContext } from './eager-binding.js';
import { AttributeKind } from './op-binding.js';

/** The pixels of libjpeg's defaults, which are those of Pillow and libvips. */
const attributes = [
  { name: 'channels', type: AttributeKind.int, value: 3 },
  { name: 'dct_method', type: AttributeKind.string, value: 'INTEGER_ACCURATE' },
] as const;

let binding: EagerBinding | undefined;

/**
 * Decodes a JPEG file on this thread by TensorFlow's libjpeg-turbo, which takes less than a third of libvips's time.
 *
 * @param context any thread of the process may have made it.
 * @param memoryFor gives memory for so many bytes, into which the image is written
 * @returns `[height, width, 3]` bytes; nothing for a file that TensorFlow cannot decode, such as one that is cut off.
 */
export function decodeJpeg(
  context: EagerContext,
  file: Uint8Array,
  memoryFor: (bytes: number) => Uint8Array,
): { readonly width: number; readonly height: number; readonly data: Uint8Array } | undefined {
  binding ??= new EagerBinding(context);
  const input = binding.createTensor([], DataTypeCode.string, [file]);
  try {
    const [image] = binding.executeOp('DecodeJpeg', attributes, [input], 1);
    const [height, width] = image!.shape as [number, number];
    const data = binding.copy(image!.id, memoryFor);
    binding.deleteTensor(image!.id);
    return { width, height, data };
  } catch (error) {
    if (error instanceof TensorFlowError) return undefined;
    throw error;
  } finally {
    binding.deleteTensor(input);
  }
}
