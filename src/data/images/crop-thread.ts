import { move } from 'piscina';
import { cropHere, cropJpegHere } from './crop.js';

/** Work of a thread that crops; an image is handed over, not copied. */
export default (task: Parameters<typeof cropHere>[0] | Parameters<typeof cropJpegHere>[0]): unknown =>
  'file' in task ? cropJpegHere(task) : move(cropHere(task));
