// Is XFCE drawn? Its desktop and its panel are on the screen: the same question for everybody.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { processesOf } from '../support/people.mjs';

const run = promisify(execFile);
const PATIENCE = 30_000;

/** Waits until `display` shows XFCE. `enter` is put before the command that looks. */
export async function drawn(display, person, enter = []) {
  const since = performance.now();
  while (performance.now() - since < PATIENCE) {
    const command = [...enter, 'xwininfo', '-display', display, '-root', '-tree'];
    const auth = person ? { XAUTHORITY: `${person.home}/.Xauthority` } : {};
    const tree = await run(command[0], command.slice(1), { env: { ...process.env, ...auth } })
      .then(({ stdout }) => stdout)
      .catch(() => '');
    const visible = (name) =>
      tree.split('\n').some((line) => line.includes(`("${name}"`) && !/ 1x1\+| 10x10\+/.test(line));
    if (visible('xfdesktop') && visible('xfce4-panel')) return;
  }
  throw new Error(`${display}: not drawn in ${PATIENCE} ms`);
}

/** Ends every process of a throwaway person and waits until there is none. */
export async function endAllOf(person) {
  for (let left = processesOf(person); left.length > 0; left = processesOf(person)) {
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // ended by itself meanwhile
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
