export { centreCrop } from './centre-crop.js';
export type { CropNumbers } from './random-crop.js';
export { ImageDataset, type ImageDatasetOptions } from './dataset.js';
export { decodeBytes, decodeImage } from './decode.js';
export { imageGrid, type GridOptions } from './grid.js';
export { writeImageIndex, type ImageEntry, type ImageSet } from './image-index.js';
export { encodePng, writePng } from './png.js';
export { isWholePng } from './whole-png.js';
export type { RgbImage } from './rgb-image.js';
export {
  checkFilled,
  isClassImage,
  listSome,
  scanImages,
  type LabelledImages,
  type LabelsFile,
} from './scan/index.js';
