/** Lets the event loop go round once, and what waits for it happen. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
