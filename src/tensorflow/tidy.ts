import { tf } from './tfjs.js';

/** `tf.tidy` for results of any type that holds tensors: lists and records within each other. */
export function tidy<T>(body: () => T): T {
  return tf.tidy(body as never) as T;
}
