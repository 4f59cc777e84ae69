import Module from 'node:module';

// Preloaded into a process: tells at its end which packages' CommonJS it loaded, as all the heavy ones are; of ajv, also
// whether it was there to compile.
process.on('exit', () => {
  const names = Object.keys(Module._cache).flatMap((path) => {
    const [, name] = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+(?:\/dist\/compile)?)/.exec(path) ?? [];
    return name === undefined ? [] : [name];
  });
  process.stderr.write(JSON.stringify([...new Set(names)].sort()));
});
