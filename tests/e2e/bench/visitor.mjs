// A person's browser without the browser: signs in, starts the desktop and opens it as the page
// does.

import { request } from 'node:http';
import { readFileSync } from 'node:fs';

import { pidOf } from '../support/people.mjs';
import { drawn } from './drawn.mjs';

export class Visitor {
  static async signIn(deskway, person) {
    const self = new Visitor();
    Object.assign(self, { deskway, person });
    const form = new URLSearchParams({ name: person.name, password: person.password, next: '/' });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await self.#ask('POST', '/sign-in', headers, form.toString());
    if (answer.statusCode !== 303) throw new Error(`sign-in answered ${answer.statusCode}`);
    [self.cookie] = answer.headers['set-cookie'][0].split(';');
    return self;
  }

  /** Starts the desktop; running already is fine. */
  async start() {
    const answer = await this.#desktop('start', { profile: null, geometry: [1280, 800] });
    if (answer.statusCode !== 202) throw new Error(`start answered ${answer.statusCode}`);
  }

  /** Seconds from the click to the greeting and to the drawn XFCE; ends the desktop again. */
  async startAndWait() {
    const since = performance.now();
    await this.start();
    await this.#greeting();
    const greeted = performance.now();
    const session = await this.#session();
    const enter = ['nsenter', '--mount', '--target', String(session)];
    const environ = readFileSync(`/proc/${session}/environ`, 'utf8').split('\0');
    const value = (name) => environ.find((it) => it.startsWith(`${name}=`)).slice(name.length + 1);
    await drawn(value('DISPLAY'), undefined, [...enter, 'env', `XAUTHORITY=${value('XAUTHORITY')}`]);
    const done = performance.now();
    const answer = await this.#desktop('stop', {});
    if (answer.statusCode !== 200) throw new Error(`stop answered ${answer.statusCode}`);
    return { greeting: (greeted - since) / 1000, drawn: (done - since) / 1000 };
  }

  async lendCookie(context) {
    const [name, value] = this.cookie.split('=');
    await context.addCookies([{ name, value, url: this.deskway.url, httpOnly: true, sameSite: 'Strict' }]);
  }

  #desktop(action, body) {
    const headers = { 'content-type': 'application/json', cookie: this.cookie };
    const path = `/api/v1/desktops/${this.person.name}/main/${action}`;
    return this.#ask('POST', path, headers, JSON.stringify(body));
  }

  #ask(method, path, headers, body) {
    const all = { origin: this.deskway.url, ...headers };
    return new Promise((resolve, reject) => {
      const asked = request(`${this.deskway.url}${path}`, { method, headers: all }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer));
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  #greeting() {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-protocol': 'binary',
      origin: this.deskway.url,
      cookie: this.cookie,
    };
    return new Promise((resolve, reject) => {
      const asked = request(`${this.deskway.url}/d/${this.person.name}/websockify`, { headers });
      asked.on('response', (answer) => reject(new Error(`upgrade answered ${answer.statusCode}`)));
      asked.on('error', reject);
      asked.on('upgrade', (answer, socket, head) => {
        const done = (bytes) => {
          socket.destroy();
          if (bytes.includes('RFB 003.008')) resolve();
          else reject(new Error(`no greeting: ${bytes}`));
        };
        if (head.length > 0) done(head);
        else socket.once('data', done);
      });
      asked.end();
    });
  }

  /** The session's process, as soon as there is one. */
  async #session() {
    for (;;) {
      try {
        return pidOf(this.person, /^\S*xfce4-session/);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }
}
