/** File of a `latents` stage's output with the names of the files that are read again. */
export const filesName = 'files.json';
