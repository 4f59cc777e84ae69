// Generated from schemas/ by `npm run generate`. Do not edit.

/**
 * Reads a folder of labelled images and brings them to one size: centre-cropped, alpha composited, RGB.
 */
export interface ImagesConfig {
  /**
   * Folder of the images, relative to the file that it is written in. PNG, JPEG, WebP and GIF are read.
   */
  path: string;
  /**
   * Where an image's class comes from: `folders` takes the name of the first folder below `path`; a labels file names images and classes.
   */
  labels: 'folders' | LabelsFile;
  /**
   * Classes to keep, in this order; images of other classes are left out. Without it every class that occurs is taken, sorted by name.
   */
  classes?: string[];
  /**
   * Width and height of the prepared images. Unit: pixels.
   */
  size: number;
  /**
   * What to do with an image smaller than `size`: stop, leave it out, or enlarge it.
   */
  smallImages: 'refuse' | 'skip' | 'upscale';
  /**
   * Colour behind transparent pixels, as #rrggbb.
   */
  background: string;
  /**
   * Unreadable images that are named and left out before the stage fails. Unit: images.
   */
  maxCorrupt: number;
}
export interface LabelsFile {
  /**
   * A .csv file with a header, a .json file with an array of records, or a .jsonl file with a record a line; relative to the file that it is written in.
   */
  file: string;
  /**
   * Column or key with the image's name, relative to `path`. In JSON it may be a dotted path, with `*` for every member, or a list of these: one record then gives several images of the same class.
   */
  image: string | string[];
  /**
   * Column or key with the class's name.
   */
  label: string;
}
