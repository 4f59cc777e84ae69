/** What distances are called, by the features that they compare and the name of their mean in a statistics file. */
export const distances = [
  { metric: 'fid', feature: 'pooled', mean: 'mu' },
  { metric: 'sfid', feature: 'spatial', mean: 'mu_s' },
  { metric: 'latentFrechetDistance', feature: 'latent', mean: 'mu_latent' },
] as const;
