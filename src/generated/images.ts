// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Reads a folder of labelled images and brings them to one size: centre-cropped, alpha composited, RGB.
 */
export interface ImagesConfig {
  /**
   * Folder of the images, or files that hold them (tar, WebDataset, zip, parquet, IDX), relative to the file that it is written in, or of a data set on Hugging Face (`hf://datasets/owner/name/files@revision`), downloaded once into the cache that its libraries share. Braces and wildcards stand for several files; a list has several of these. PNG, JPEG, WebP, GIF, TIFF, AVIF, BMP and PPM (PGM, PBM) are read.
   */
  path: string | string[];
  /**
   * Source of an image's class: `folders` takes the name of the first folder below `path`, or the labels of a file that holds images; a labels file names images and classes; `none` gives all images at or below `path` one class, for training without classes.
   */
  labels: ('folders' | 'none') | LabelsFile;
  /**
   * File that names the classes: lines of an id and a name such as ImageNet's `LOC_synset_mapping.txt`, a name per line for labels counted from 0, or JSON. Default: the labels are the names.
   */
  classNames?: string;
  /**
   * Classes to keep, in this order. Images of other classes are left out. Default: every class that occurs, integers sorted by value, anything else by name.
   */
  classes?: string[];
  /**
   * Width and height of the prepared images. Unit: pixels.
   */
  size: number;
  /**
   * Treatment of images smaller than `size`: `refuse` stops, `skip` leaves them out, `upscale` enlarges them.
   */
  smallImages: 'refuse' | 'skip' | 'upscale';
  /**
   * Colour behind transparent pixels, as #rrggbb; `none` drops transparency and leaves the colours that it hid, as Pillow's `convert('RGB')` does.
   */
  background: string;
  /**
   * Treatment of photos that are stored turned or mirrored, as their EXIF data say: `ignore` takes the pixels as they are stored, as the reference does; `apply` brings them upright. TIFF files are always brought upright.
   */
  orientation: 'ignore' | 'apply';
  /**
   * Number of unreadable images that the stage names and leaves out before it fails. Unit: images.
   */
  maxCorrupt: number;
}
export interface LabelsFile {
  /**
   * A .csv, .tsv, .txt or .lst file of images and classes, with a header or without, or of one label per line for the images in order; a .json file of records, pairs or a map; or a .jsonl file with one record per line. Relative to the file that it is written in.
   */
  file: string;
  /**
   * Column or key of the image's name: relative to `path`, without its ending, or its last part alone. Columns of a file without a header are numbered from 1. Default: the one that names images. In JSON it may be a dotted path, with `*` for every member, or a list of such paths. One record then gives several images of the same class.
   */
  image?: string | string[];
  /**
   * Column or key of the class's name. Default: the only other one, or one called `label`, `class`, `category`, `target` and so on.
   */
  label?: string;
}
