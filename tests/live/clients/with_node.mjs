// Asks with Node's own HTTP/1.1 and HTTP/2, through a tunnel of the proxy. The authority is in NODE_EXTRA_CA_CERTS.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import tls from "node:tls";

const [proxy, version, url, upload] = process.argv.slice(2);
const [via, target] = [new URL(proxy), new URL(url)];
const content = upload && readFileSync(upload);
const method = upload ? "POST" : "GET";
const headers = { Host: target.host };

function fail(error) {
  console.error(error);
  process.exitCode = 1;
}

function show(status, answer) {
  process.stdout.write(`${status} ${version}\n`);
  answer.on("data", (chunk) => process.stdout.write(chunk));
}

function ask1(socket) {
  const asked = http.request({ createConnection: () => socket, path: target.pathname, method, headers });
  asked.on("response", (answer) => {
    show(answer.statusCode, answer);
    answer.on("error", fail);
    answer.on("end", () => socket.end());
  });
  asked.on("error", fail);
  asked.end(content);
}

function ask2(socket) {
  const session = http2.connect(target.origin, { createConnection: () => socket });
  session.on("error", fail);
  const asked = session.request({ ":path": target.pathname, ":method": method });
  asked.on("response", (head) => show(head[":status"], asked));
  asked.on("error", fail);
  asked.on("close", () => {
    // A reset by CANCEL is no error to Node.
    if (asked.rstCode !== http2.constants.NGHTTP2_NO_ERROR) fail(`reset: ${asked.rstCode}`);
    session.close();
  });
  asked.end(content);
}

const tunnel = http.request({ host: via.hostname, port: via.port, method: "CONNECT", path: target.host, headers });
tunnel.on("error", fail);
tunnel.on("connect", (_, socket) => {
  const [offered, ask] = version === "HTTP/2" ? ["h2", ask2] : ["http/1.1", ask1];
  const secure = tls.connect({ socket, servername: target.hostname, ALPNProtocols: [offered] }, () => ask(secure));
  secure.on("error", fail);
});
tunnel.end();
