import { move } from 'piscina';
import { cropHere, type CropTask } from './crop.js';

/** What a thread of {@link crop} does with a task; the result is handed over, not copied. */
export default (task: CropTask): unknown => move(cropHere(task));
