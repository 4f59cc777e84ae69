export { type RecordedPaths, predictDeviation, predictSwitches, ratioTuples } from './predict.js';
export { type CostAndDeviation, knee, paretoFrontier, spreadOverCosts } from './frontier.js';
