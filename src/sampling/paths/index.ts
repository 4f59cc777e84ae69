export type { FollowPath, PathInputs, PathResult } from './path.js';
export { type PathOptions, type SamplerSettings, pathOf, pathTimes } from './choose.js';
