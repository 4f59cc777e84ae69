import { float32, type HostTensor } from '../../src/tensorflow/index.js';

/**
 * Fixtures hold images as `[…, channels, height, width]`, as PyTorch does; programs take `[…, height, width, channels]`.
 * Both functions change the last three axes and leave tensors of fewer axes alone.
 */
export function channelsLast(tensor: HostTensor): HostTensor {
  return permute(tensor, ([c, h, w]) => ({ shape: [h, w, c], strides: [w, 1, h * w] }));
}

/** The way back. */
export function channelsFirst(tensor: HostTensor): HostTensor {
  return permute(tensor, ([h, w, c]) => ({ shape: [c, h, w], strides: [1, w * c, c] }));
}

type Three = readonly [number, number, number];

function permute(tensor: HostTensor, order: (image: Three) => { shape: Three; strides: Three }): HostTensor {
  if (tensor.shape.length < 3) return tensor;
  const image = tensor.shape.slice(-3) as unknown as Three;
  const { shape, strides } = order(image);
  const size = image[0] * image[1] * image[2];
  const result = new Float32Array(tensor.data.length);
  let at = 0;
  for (let start = 0; start < result.length; start += size)
    for (let i = 0; i < shape[0]; i++)
      for (let j = 0; j < shape[1]; j++)
        for (let k = 0; k < shape[2]; k++)
          result[at++] = tensor.data[start + i * strides[0] + j * strides[1] + k * strides[2]]!;
  return float32([...tensor.shape.slice(0, -3), ...shape], result);
}
