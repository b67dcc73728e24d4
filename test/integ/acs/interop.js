// SPDX-License-Identifier: Apache-2.0
// Unmodified clients of Azure Communication Services against a running callflowd. Settings by environment:
// CALLFLOW_CONNECTION_STRING, NODE_EXTRA_CA_CERTS. Speaks TAP.
import assert from "node:assert/strict";
import { CommunicationIdentityClient } from "@azure/communication-identity";
import { CommunicationRelayClient } from "@azure/communication-network-traversal";

const connection = process.env.CALLFLOW_CONNECTION_STRING;
const identity = new CommunicationIdentityClient(connection);
const relay = new CommunicationRelayClient(connection);

async function refused(promise, status, code) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.statusCode, status);
    if (code) assert.equal(error.code ?? error.details?.error?.code, code);
    return true;
  });
}

function claims(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
}

const tests = {
  async "a user is made and deleted"() {
    const user = await identity.createUser();
    assert.match(user.communicationUserId, /^8:acs:[0-9a-z-]+_[0-9a-z-]+$/);
    await identity.deleteUser(user);
    await refused(identity.getToken(user, ["voip"]), 404);
  },
  async "a user is made with a token"() {
    const { user, token, expiresOn } = await identity.createUserAndToken(["voip", "chat"]);
    assert.ok(user.communicationUserId);
    assert.equal(typeof claims(token).exp, "number");
    const hours = (expiresOn - Date.now()) / 3.6e6;
    assert.ok(hours > 23.9 && hours <= 24, `default life is 24 h, not ${hours}`);
  },
  async "a token lives as long as was asked"() {
    const user = await identity.createUser();
    const { expiresOn } = await identity.getToken(user, ["voip.join"], { tokenExpiresInMinutes: 60 });
    assert.ok(Math.abs(expiresOn - Date.now() - 3.6e6) < 10000);
  },
  async "tokens are revoked, and new ones issued"() {
    const { user, token } = await identity.createUserAndToken(["voip"]);
    await identity.revokeTokens(user);
    const fresh = await identity.getToken(user, ["voip"]);
    assert.notEqual(fresh.token, token);
    const at = new URL("/calling/2026-11-01/endpoints", /endpoint=([^;]+)/i.exec(connection)[1]);
    const signIn = (bearer) =>
      fetch(at, { method: "POST", headers: { authorization: `Bearer ${bearer}`, "content-type": "application/json" }, body: "{}" });
    const old = await signIn(token);
    assert.equal(old.status, 401);
    assert.equal((await old.json()).error.code, "TokenRevoked");
    assert.equal((await signIn(fresh.token)).status, 201);
  },
  async "lives out of range are refused"() {
    const user = await identity.createUser();
    for (const tokenExpiresInMinutes of [59, 1441])
      await assert.rejects(identity.getToken(user, ["voip"], { tokenExpiresInMinutes }));
  },
  async "ids of others and nonsense are refused"() {
    await refused(identity.getToken({ communicationUserId: "8:acs:other_user" }, ["voip"]), 404);
    await refused(identity.getToken({ communicationUserId: "alice" }, ["voip"]), 400);
    await refused(identity.getToken(await identity.createUser(), ["fly"]), 400);
  },
  async "a wrong key is refused"() {
    const wrong = connection.replace(/accesskey=.*/i, `accesskey=${Buffer.alloc(32, 1).toString("base64")}`);
    await refused(new CommunicationIdentityClient(wrong).createUser(), 401);
  },
  async "relay configuration without a user"() {
    const { expiresOn, iceServers } = await relay.getRelayConfiguration();
    assert.ok(Math.abs(expiresOn - Date.now() - 48 * 3.6e6) < 20000);
    assert.ok(iceServers.length >= 1);
    for (const server of iceServers) {
      assert.ok(Array.isArray(server.urls) && server.urls.length > 0);
      assert.equal(typeof server.username, "string");
      assert.equal(typeof server.credential, "string");
      assert.equal(server.routeType, "any");
    }
    assert.ok(iceServers.some((s) => s.urls.some((u) => u.startsWith("stun:"))));
    assert.ok(iceServers.some((s) => s.urls.some((u) => u.startsWith("turn:")) && s.username && s.credential));
  },
  async "relay configuration for a user"() {
    const user = await identity.createUser();
    const { expiresOn, iceServers } = await relay.getRelayConfiguration({ id: user.communicationUserId, routeType: "nearest", ttl: 3600 });
    assert.ok(Math.abs(expiresOn - Date.now() - 3.6e6) < 10000);
    assert.ok(iceServers.every((s) => s.routeType === "nearest"));
    const part = user.communicationUserId.split("_")[1];
    assert.ok(iceServers.some((s) => s.username.includes(part)));
  },
  async "a ttl above 48 h is refused"() {
    await refused(relay.getRelayConfiguration({ ttl: 172801 }), 400);
  },
};

console.log(`1..${Object.keys(tests).length}`);
let n = 0;
for (const [name, run] of Object.entries(tests)) {
  n++;
  try {
    await run();
    console.log(`ok ${n} - ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`not ok ${n} - ${name}\n# ${String(error?.stack ?? error).replaceAll("\n", "\n# ")}`);
  }
}
