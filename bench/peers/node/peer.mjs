// Peer (c): Node, ws and pg, one process with all NPCs in memory, game servers on a WebSocket.
//
// The NPCs' state moves in memory; each event is committed for itself, as one INSERT, side by side on a pool of
// connections; the replies of a frame leave after its commits. `--insert frame` makes a frame one transaction (so its
// events stand or fall together), `--insert many` one INSERT. What it leaves out of ours: one writer at a time, exactly-once, and waking up after a crash.

import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Decoder, Encoder } from "@msgpack/msgpack";
import pg from "pg";
import { WebSocketServer } from "ws";

const TABLE = "peer_node";
const LIMITS = { frame_bytes_max: 1 << 20, commands_max: 1000, in_flight_max: 10_000, text_max: 500 };
const POOL_SIZE = 32; // more did not help it, less cost it single-event frames
const MEMORIES_MAX = 64;

const { values: asked } = parseArgs({
  options: { dsn: { type: "string" }, port: { type: "string" }, insert: { type: "string", default: "each" } },
});
const encoder = new Encoder();
const decoder = new Decoder();
const pool = new pg.Pool({ connectionString: asked.dsn, min: POOL_SIZE, max: POOL_SIZE });
const npcs = new Map();

const INSERT = {
  name: "one",
  text: `INSERT INTO ${TABLE} (npc, seq, id, what, weight, mood) VALUES ($1, $2, $3, $4, $5, $6)`,
};
const INSERT_MANY = {
  name: "many",
  text: `INSERT INTO ${TABLE} (npc, seq, id, what, weight, mood)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::int[], $6::float8[])`,
};

function observe({ id, to, with: seen }) {
  let npc = npcs.get(to);
  if (npc === undefined) npcs.set(to, (npc = { mood: 50, seq: 0, memories: [] }));
  npc.mood = Math.max(0, Math.min(100, npc.mood - seen.weight / 100));
  npc.memories.push({ what: seen.what, weight: seen.weight });
  if (npc.memories.length > MEMORIES_MAX) npc.memories.shift();
  npc.seq += 1;
  return [to, npc.seq, Buffer.from(id.buffer, id.byteOffset, id.length).toString("hex"), seen.what, seen.weight, npc.mood];
}

async function commit(rows) {
  if (asked.insert === "many") {
    const columns = rows[0].map((_, column) => rows.map((row) => row[column]));
    return pool.query({ ...INSERT_MANY, values: columns });
  }
  // One statement is a transaction.
  if (asked.insert === "each") return Promise.all(rows.map((values) => pool.query({ ...INSERT, values })));
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    for (const values of rows) await client.query({ ...INSERT, values });
    await client.query("COMMIT");
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

async function take(socket, commands) {
  const rows = commands.map(observe);
  await commit(rows);
  const replies = commands.map(({ id }, n) => ({ id, ok: true, seq: rows[n][1], reply: { noticed: true } }));
  socket.send(encoder.encode({ t: "replies", r: replies }));
}

await pool.query(`DROP TABLE IF EXISTS ${TABLE}`);
await pool.query(`CREATE TABLE ${TABLE} (
  npc text NOT NULL, seq bigint NOT NULL, id uuid NOT NULL, what text NOT NULL, weight int NOT NULL,
  mood float8 NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (npc, seq))`);

const http = createServer((request, response) => response.end('{"ready":true}'));
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on("connection", (socket) => {
  socket.on("message", (data) => {
    const frame = decoder.decode(data);
    if (frame.t === "commands") {
      take(socket, frame.c).catch((error) => {
        console.error(error);
        process.exit(1);
      });
    } else if (frame.t === "hello") {
      const welcome = { session: frame.server, resumed: false, now_ms: Date.now(), limits: LIMITS };
      socket.send(encoder.encode({ t: "welcome", ...welcome }));
    }
  });
});
http.listen(Number(asked.port), "127.0.0.1");
