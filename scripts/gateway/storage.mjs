/**
 * Objects as files: `<root>/<digest of bucket>/<digest of key>` and, beside it, its metadata.
 * Names from clients never become paths: whatever they contain, their digests stay inside the root.
 * Lite passes a version too, but writes without and reads with one, so it cannot be part of the name.
 */
import { createHash } from "node:crypto";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const digest = (text, algorithm = "sha256") => createHash(algorithm).update(text).digest("hex");

export class FileStorage {
  driver = null;
  #root;

  constructor(root) {
    this.#root = root;
  }

  async getObject(bucket, key) {
    const metadata = await this.headObject(bucket, key);
    return { metadata, httpStatusCode: 200, body: new Uint8Array(await readFile(this.#path(bucket, key))) };
  }

  async headObject(bucket, key) {
    const metadata = JSON.parse(await readFile(this.#metadataPath(bucket, key), "utf8"));
    return { ...metadata, lastModified: new Date(metadata.lastModified) };
  }

  async uploadObject(bucket, key, _version, body, mimetype, cacheControl) {
    const bytes = body instanceof Uint8Array ? body : new Uint8Array(await new Response(body).arrayBuffer());
    const metadata = {
      cacheControl,
      mimetype,
      contentLength: bytes.length,
      size: bytes.length,
      eTag: `"${digest(bytes, "md5")}"`,
      lastModified: new Date(),
      httpStatusCode: 200,
    };
    await mkdir(this.#directory(bucket), { recursive: true });
    await writeFile(this.#path(bucket, key), bytes);
    await writeFile(this.#metadataPath(bucket, key), JSON.stringify(metadata));
    return metadata;
  }

  async copyObject(bucket, key, _version, toBucket, toKey) {
    await mkdir(this.#directory(toBucket), { recursive: true });
    await copyFile(this.#path(bucket, key), this.#path(toBucket, toKey));
    await copyFile(this.#metadataPath(bucket, key), this.#metadataPath(toBucket, toKey));
    return this.headObject(toBucket, toKey);
  }

  async deleteObject(bucket, key) {
    await rm(this.#path(bucket, key), { force: true });
    await rm(this.#metadataPath(bucket, key), { force: true });
  }

  async deleteObjects(bucket, keys) {
    for (const key of keys) await this.deleteObject(bucket, key);
  }

  async privateAssetUrl(bucket, key) {
    return `file://${this.#path(bucket, key)}`;
  }

  #directory = (bucket) => join(this.#root, digest(bucket));
  #path = (bucket, key) => join(this.#directory(bucket), digest(key));
  #metadataPath = (bucket, key) => `${this.#path(bucket, key)}.json`;
}
