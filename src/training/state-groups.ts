/** The copies that training keeps of each parameter: the slots of the optimizer. `average` is the first of the averages. */
export type StateGroup = 'weights' | 'average' | `average-${number}` | 'firstMoment' | 'secondMoment';

/** Names of the moving averages with these decays; the first is the one that sampling takes unless told otherwise. */
export function averageGroups(decays: readonly number[]): StateGroup[] {
  return decays.map((decay, i): StateGroup => (i === 0 ? 'average' : `average-${decay}`));
}

/** All groups of a training with these decays. */
export function stateGroups(decays: readonly number[]): StateGroup[] {
  return ['weights', ...averageGroups(decays), 'firstMoment', 'secondMoment'];
}
