/**
 * Goal: a webhook reaches the public internet and what it is explicitly allowed to reach, and nothing else.
 * Method: tables of addresses and names; and every address of IPv4's registry of special purposes at both of its ends.
 */
import { describe, expect, it } from "vitest";
import {
  checkAllow,
  hostOf,
  hostProblem,
  isNamed,
  isPublic,
  isReachable,
  parseAddress,
} from "../../../src/core/webhook-address.ts";

const NOTHING = checkAllow();
const zeros = (length: number) => Array.from({ length }, () => 0);

describe("an address is read", () => {
  it.each([
    ["1.2.3.4", [1, 2, 3, 4]],
    ["255.255.255.255", [255, 255, 255, 255]],
    ["::", zeros(16)],
    ["::1", [...zeros(15), 1]],
    ["2001:db8::a:0:1", [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 1]],
    ["1:2:3:4:5:6:7:8", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
    ["::ffff:10.0.0.1", [...zeros(10), 255, 255, 10, 0, 0, 1]],
    ["64:ff9b::8.8.8.8", [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 8, 8, 8, 8]],
    ["1:2:3:4:5:6:7.8.9.10", [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 7, 8, 9, 10]],
    ["FE80::", [0xfe, 0x80, ...zeros(14)]],
  ])("%s", (text, bytes) => {
    expect(parseAddress(text)).toEqual(bytes);
  });

  it.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "0x7f.0.0.1",
    "1.2.3.4 ",
    "a.b.c.d",
    "2130706433",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::",
    "fe80::1%eth0",
    "::1.2.3",
    "::1.2.3.256",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1:2:3:4:5:6:7::8",
    "[::1]",
  ])("not %j", (text) => {
    expect(parseAddress(text)).toBeNull();
  });
});

describe("refused is", () => {
  it.each([
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:a9fe:a9fe",
    "::7f00:1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "3fff::1",
    "100::1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "4000::1",
    "5f00::1",
  ])("%s", (text) => {
    expect(isPublic(parseAddress(text)!)).toBe(false);
    expect(hostProblem(text, NOTHING)).toMatch(/private or reserved/);
    expect(isReachable("hooks.example", text, NOTHING)).toBe(false);
  });

  it.each([
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost..",
    "a.localhost",
    "redis",
    "metadata",
    "metadata.google.internal",
    "instance-data.ec2.internal",
    "printer.local",
    "router.home.arpa",
    "host.docker.internal.",
    "",
  ])("the name %j", (text) => {
    expect(hostProblem(hostOf(text), NOTHING)).toMatch(/private network/);
  });

  it("what is not an address, where one is expected", () => {
    for (const text of ["fe80::1%eth0", "", "localhost"])
      expect(isReachable("a.example", text, NOTHING)).toBe(false);
  });
});

describe("reached is", () => {
  it.each([
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "168.63.129.15",
    "2606:4700::1111",
    "2a00:1450::1",
    "2001:4860:4860::8888",
    "64:ff9b::8.8.8.8",
  ])("%s", (text) => {
    expect(isPublic(parseAddress(text)!)).toBe(true);
    expect(hostProblem(text, NOTHING)).toBeNull();
    expect(isReachable("hooks.example", text, NOTHING)).toBe(true);
  });

  it.each([
    "hooks.example",
    "localhost.example",
    "internal.example.",
    "xn--bcher-kva.example",
    "local.example",
  ])("the name %s, for all that its name tells", (text) => {
    expect(hostProblem(hostOf(text), NOTHING)).toBeNull();
  });
});

describe("allowed", () => {
  const allowed = checkAllow([
    "Localhost",
    "hooks.internal.",
    "10.1.0.0/17",
    "192.168.1.9",
    "fd00::/8",
    "[::1]",
  ]);

  it("is a host by its name, wherever it is", () => {
    expect(hostProblem("localhost", allowed)).toBeNull();
    expect(hostProblem("hooks.internal", allowed)).toBeNull();
    expect(hostProblem("other.internal", allowed)).not.toBeNull();
    expect(isReachable("hooks.internal", "127.0.0.1", allowed)).toBe(true);
    expect(isReachable("x.hooks.internal", "127.0.0.1", allowed)).toBe(false);
    expect(isNamed("localhost", allowed)).toBe(true);
    expect(isNamed("hooks.example", allowed)).toBe(false);
  });

  it.each([
    ["10.1.127.255", true],
    ["10.1.128.0", false],
    ["10.0.255.255", false],
    ["192.168.1.9", true],
    ["192.168.1.8", false],
    ["fdff::1", true],
    ["fc00::1", false],
    ["::1", true],
    ["::2", false],
    // Not the same address in IPv6.
    ["::ffff:10.1.0.1", false],
  ])("%s by a network: %s", (text, is) => {
    expect(hostProblem(text, allowed) === null).toBe(is);
    expect(isReachable("any.example", text, allowed)).toBe(is);
    expect(isNamed(text, allowed)).toBe(is);
  });

  it("0.0.0.0/0 is all of IPv4 and nothing of IPv6", () => {
    const all = checkAllow(["0.0.0.0/0"]);
    expect(hostProblem("127.0.0.1", all)).toBeNull();
    expect(hostProblem("::1", all)).not.toBeNull();
  });

  it.each([
    "",
    "*",
    "*.example",
    "a b",
    "http://a.example",
    "a.example:80",
    "10.0.0.0/33",
    "::/129",
    "10.0.0/8",
    "10.1",
    "0x7f.1",
    "2130706433",
    "/8",
    7,
    null,
    "a..b",
  ])("cannot be %j", (one) => {
    expect(() => checkAllow([one])).toThrow(/^allow\[0\] must be/);
  });

  it("are at most a hundred", () => {
    expect(() => checkAllow(Array.from({ length: 101 }, () => "a.example"))).toThrow(/at most 100/);
    expect(() => checkAllow("localhost")).toThrow(/must be a list/);
  });
});
