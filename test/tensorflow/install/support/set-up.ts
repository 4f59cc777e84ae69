import { setupLibrary } from '../../../../src/tensorflow/install/setup.js';
import { tinyRelease } from './tiny-release.js';

// A process of its own that sets the tiny release up, printing what it does and then where the library is.
const location = await setupLibrary({
  release: tinyRelease,
  report: (event) => {
    if (event.type !== 'progress') console.log(event.message);
  },
});
console.log(location.directory);
