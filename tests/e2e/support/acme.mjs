// A real authority (caddy's `acme_server`) in a network of its own, where ports 80 and 443 are free
// and names are what the test says.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const DIRECTORY = 'https://acme.test:9443/acme/local/directory';

const CONFIGURATION = `{
  admin off
  skip_install_trust
  http_port 9080
  https_port 9443
}
https://acme.test:9443 {
  tls internal
  acme_server
}
`;

export class Authority {
  /** @param {string[]} names that lead to this machine */
  static async start(names) {
    const self = new Authority();
    self.folder = `/run/dwt-${randomBytes(4).toString('hex')}`;
    mkdirSync(self.folder, { mode: 0o755 });
    const hosts = join(self.folder, 'hosts');
    writeFileSync(hosts, `127.0.0.1 localhost acme.test ${names.join(' ')}\n`);
    const prepare = `ip link set lo up && mount --bind ${hosts} /etc/hosts && echo ready && exec sleep infinity`;
    const own = ['--net', '--mount', '--propagation', 'private'];
    self.holder = spawn('unshare', [...own, 'sh', '-c', prepare], { stdio: ['ignore', 'pipe', 'inherit'] });
    await firstLine(self.holder.stdout, (line) => line === 'ready');
    const caddyfile = join(self.folder, 'Caddyfile');
    writeFileSync(caddyfile, CONFIGURATION);
    const home = join(self.folder, 'caddy');
    const options = { env: { ...process.env, HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home } };
    self.caddy = self.spawn('caddy', ['run', '--adapter', 'caddyfile', '--config', caddyfile], options);
    await firstLine(self.caddy.stderr, (line) => line.includes('serving initial configuration'));
    return self;
  }

  get root() {
    return join(this.folder, 'caddy/caddy/pki/authorities/local/root.crt');
  }

  /** `[tls]` for these domains. */
  config(domains) {
    if (!existsSync(this.root)) throw new Error('the authority has no certificate');
    return `[tls.acme]
domains = ${JSON.stringify(domains)}
contact = ["mailto:admin@desk.test"]
directory = "${DIRECTORY}"
ca_file = "${this.root}"
`;
  }

  /** Starts a program in that network. */
  spawn(program, args, options = {}) {
    const inside = ['-t', String(this.holder.pid), '--net', '--mount', program, ...args];
    return spawn('nsenter', inside, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  }

  /** The answer's status to GET `path` by that name, over https. */
  status(name, path, port = 443) {
    const inside = ['-t', String(this.holder.pid), '--net', '--mount'];
    const ask = ['openssl', 's_client', '-quiet', '-connect', `127.0.0.1:${port}`, '-servername', name];
    const input = `GET ${path} HTTP/1.1\r\nHost: ${name}:${port}\r\nConnection: close\r\n\r\n`;
    const options = { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] };
    const text = execFileSync('nsenter', [...inside, ...ask], options);
    return Number(/^HTTP\/1\.1 (\d+) /.exec(text)[1]);
  }

  /** The certificate that is shown for `name`, verified with the authority's; else why not. */
  certificate(name, port = 443) {
    const inside = ['-t', String(this.holder.pid), '--net', '--mount'];
    const ask = ['openssl', 's_client', '-connect', `127.0.0.1:${port}`, '-servername', name];
    const check = ['-CAfile', this.root, '-verify_hostname', name, '-verify_return_error'];
    try {
      const options = { input: '', encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] };
      const text = execFileSync('nsenter', [...inside, ...ask, ...check], options);
      return /-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/.exec(text)[0];
    } catch (error) {
      return `none: ${error.stderr ?? error}`;
    }
  }

  remove() {
    this.caddy?.kill('SIGTERM');
    this.holder.kill('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Resolves at the first line that `fits`; what comes after it is read and dropped. */
function firstLine(stream, fits) {
  return new Promise((resolve, reject) => {
    const all = [];
    const late = setTimeout(() => reject(new Error(`not ready in 60 s:\n${all.join('\n')}`)), 60_000);
    createInterface({ input: stream }).on('line', (line) => {
      if (all.length < 200) all.push(line);
      if (!fits(line)) return;
      clearTimeout(late);
      resolve(line);
    });
  });
}
