/** An image as found: its path below the images' folder, with `/`, and the name of its class. */
export interface FoundImage {
  readonly path: string;
  readonly className: string;
}

/** The images of a folder, by path, with the number of each one's class. */
export interface LabelledImages {
  readonly classes: readonly string[];
  readonly paths: readonly string[];
  readonly labels: Int32Array;
  /** Files that were passed over because they are no images, or belong to no class. */
  readonly ignored: number;
}

/** What a search gives: images, and every class that it knows of, with or without images. */
export interface Findings {
  readonly images: readonly FoundImage[];
  readonly classes: readonly string[];
  readonly ignored: number;
}
