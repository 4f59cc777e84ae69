import { expect, it } from 'vitest';
import { shortNames } from '../../src/base/short-names.js';

it('calls a key by the shortest end that no other has', () => {
  const keys = ['stages.train.model.mediators', 'stages.train.steps', 'stages.autoencoder.steps', 'seed'];
  expect([...shortNames(keys).values()]).toEqual(['mediators', 'train.steps', 'autoencoder.steps', 'seed']);
});
