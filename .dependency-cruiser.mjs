/** What `npm run lint:imports` forbids. */

/** Folders from top to bottom: an import may point down, or stay in its layer, never up. ARCHITECTURE.md shows the same list. */
const layers = [
  ['tools', 'editors'],
  ['src/index.ts', 'src/library'],
  ['src/cli'],
  ['src/ui'],
  ['src/stages'],
  ['src/pages', 'src/weights', 'src/distributed'],
  ['src/training', 'src/sampling', 'src/runner'],
  ['src/models', 'src/metrics'],
  ['src/nn', 'src/transport', 'src/data'],
  ['src/formats'],
  ['src/tensorflow'],
  ['src/base', 'src/generated'],
];
const within = (folders) => `^(${folders.join('|').replaceAll('.', '\\.')})(/|$)`;

const upward = layers.slice(1).map((layer, i) => ({
  name: 'no-upward-import',
  comment: `${layer.join(', ')} may not import what lies above.`,
  severity: 'error',
  from: { path: within(layer) },
  to: { path: within(layers.slice(0, i + 1).flat()) },
}));

export default {
  forbidden: [
    ...upward,
    {
      name: 'no-cycle',
      comment: 'Modules may not import each other in a circle, types included.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'report-knows-no-kind',
      comment: 'Pages learn from the registry what a kind of stage shows.',
      severity: 'error',
      from: { path: '^src/(ui|stages/report)/' },
      to: { path: '^src/stages/', pathNot: '^src/stages/(registry[.]ts|(report|shared)/)' },
    },
    {
      name: 'runner-knows-no-kind',
      comment: 'The runner works with kinds of stages that it is handed, as this test does.',
      severity: 'error',
      from: { path: '^test/runner/toys-alone[.]test[.]ts$' },
      to: {
        path: '^src/(cli|ui|stages|pages|weights|distributed|training|sampling|models|metrics|nn|transport)/',
        reachable: true,
      },
    },
    {
      name: 'no-layer',
      comment: 'Every folder of src has its place in the list of layers.',
      severity: 'error',
      from: { path: '^src/.*[.]c?ts$', pathNot: within(layers.flat()) },
      to: {},
    },
    {
      name: 'not-found',
      comment: 'An import that cannot be resolved would go unchecked.',
      severity: 'error',
      from: {},
      to: { path: '^[.]', couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: '^(dist|node_modules)/' },
    // Imports of types are gone after compilation.
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
