import { move } from 'piscina';
import { cropHere, type CropTask } from './crop.js';

/** Work of a {@link crop} thread; the result is handed over, not copied. */
export default (task: CropTask): unknown => move(cropHere(task));
