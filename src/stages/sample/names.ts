/** Folder of the pictures of samples in a stage's output. */
export const picturesName = 'samples';

/** Name of a sample's own file: names are in the order of samples. */
export const sampleName = (sample: number, ending = '.png'): string =>
  `${String(sample).padStart(6, '0')}${ending}`;
