/** sharp, or a message that says how to get it: it is a dependency of this example, not of the package. */
export const sharp = await import('sharp').then(
  (module) => module.default,
  (error: Error) => {
    console.error(`image-cache needs sharp, which could not be loaded:\n${error.message.trim()}\n`);
    console.error(
      process.platform === 'android'
        ? 'Install it with: npm i sharp @img/sharp-wasm32'
        : 'Install it with: npm i sharp     (on Android: npm i sharp @img/sharp-wasm32)',
    );
    process.exit(1);
  },
);

// libvips has a cache of its own and a thread pool. Neither may help or hinder the cache that is shown here.
sharp.cache(false);
