// The time as pages show it: durations are told in minutes, so that it moves a few times a minute.

import { createSubscriber } from 'svelte/reactivity';

const TICK_MS = 10_000;

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, TICK_MS);
  return () => clearInterval(timer);
});

/** Seconds since 1970; what is worked out from it is worked out again as time goes. */
export function now(): number {
  subscribe();
  return Date.now() / 1000;
}
