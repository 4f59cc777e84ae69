/** Variables of the environment that the program reads, beside those of other programs such as `HTTPS_PROXY`. */
export const environmentVariables = [
  'PIPELINE_BACKEND',
  'PIPELINE_CACHE',
  'PIPELINE_DEVICE',
  'PIPELINE_PYTHON',
  'PIPELINE_RUNS',
  'PIPELINE_TENSORFLOW',
  'PIPELINE_WHEELS',
] as const;

/** Variables that tests set, and one that Azure Pipelines does. */
const others = /^PIPELINE_(KILL_AT|TEST_.*|WORKSPACE)$/;

/** Warnings about variables with our prefix that nothing reads: a sentence each. */
export async function warnOfVariables(env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const names: readonly string[] = environmentVariables;
  const unknown = Object.keys(env)
    .filter((name) => /^PIPELINE_/i.test(name) && !names.includes(name) && !others.test(name))
    .sort();
  if (unknown.length === 0) return [];
  const { nearest } = await import('./nearest.js');
  return unknown.map((name) => {
    const near = nearest(
      name.slice(prefix.length),
      names.map((known) => known.slice(prefix.length)),
    );
    const hint = near === undefined ? `There are: ${names.join(', ')}.` : `Did you mean ${prefix}${near}?`;
    return `The environment sets ${name}, which this program does not read. ${hint}`;
  });
}

const prefix = 'PIPELINE_';
