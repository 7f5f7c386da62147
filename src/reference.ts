import { type Digest, parseDigest } from './digest.ts'
import { PlinthError } from './errors.ts'

/**
 * An image's name in full, as Docker normalises it: `docker.io/library/debian:latest`,
 * `ghcr.io/a/b@sha256:…`. Only `parseReference` and `parseImageName` make one.
 */
export type Reference = string & { readonly __brand: 'Reference' }

/** What a reference says. At least one of `tag` and `digest` is there. */
export interface ReferenceParts {
  /** `docker.io`, `localhost:5000` */
  readonly domain: string
  /** `library/debian` */
  readonly path: string
  readonly tag: string | undefined
  readonly digest: Digest | undefined
}

/**
 * Parses and completes a name as Docker does (distribution's reference grammar): no domain means
 * `docker.io`, one component there means `library/`, neither tag nor digest means `:latest`.
 * Throws `REFERENCE_INVALID` with what to write instead.
 */
export function parseReference(text: string): Reference {
  const { name, tag, digest } = split(text)
  const { domain, path } = locate(name)
  if (!domainPattern.test(domain))
    throw invalid(text, `'${domain}' is not a registry host`, 'write host[:port]/name')
  if (path === '') throw invalid(text, 'it has no name', 'write name:tag, for example base:1.0')
  if (path !== path.toLowerCase()) {
    // the host, which may have upper case, stays as it is
    const given = name.endsWith(path) ? path : name
    const lowered = `${name.slice(0, -given.length)}${given.toLowerCase()}${text.slice(name.length)}`
    throw invalid(text, 'a repository name has no upper-case letters', `write ${lowered}`)
  }
  const wrong = path.split('/').find((part) => !componentPattern.test(part))
  if (wrong !== undefined) {
    throw invalid(
      text,
      wrong === '' ? 'a part of the name is empty' : `'${wrong}' cannot be part of a name`,
      'a name is made of a-z and 0-9, joined by single dots, one or two underscores, or dashes',
    )
  }
  if (domain.length + 1 + path.length > 255)
    throw invalid(text, 'the name is longer than 255 characters', 'shorten it')
  if (tag !== undefined && !tagPattern.test(tag)) {
    throw invalid(
      text,
      `'${tag}' is not a tag`,
      'a tag is 1 to 128 of A-Z a-z 0-9 _ . - and starts with no dot or dash',
    )
  }
  // Docker takes 64 hex digits for an image id, so nothing may be named like one
  if (/^[0-9a-f]{64}$/.test(name))
    throw invalid(text, '64 hex digits are an image id, not a name', 'write name@sha256:…')
  const ending = `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
  return `${domain}/${path}${ending || ':latest'}` as Reference
}

/** Parses the name to give to an image that is built: a reference without a digest. Throws `REFERENCE_INVALID`. */
export function parseImageName(text: string): Reference {
  const reference = parseReference(text)
  if (referenceParts(reference).digest !== undefined) {
    throw invalid(
      text,
      'an image is not named by its digest, which follows from its content',
      'write name:tag',
    )
  }
  return reference
}

/** The parts of a reference. */
export function referenceParts(reference: Reference): ReferenceParts {
  const { name, tag, digest } = split(reference)
  const slash = name.indexOf('/')
  return { domain: name.slice(0, slash), path: name.slice(slash + 1), tag, digest }
}

/** The short form people write, and Docker's archives hold: `debian:latest` for `docker.io/library/debian:latest`. */
export function familiarName(reference: Reference): string {
  const short = reference.replace(/^docker\.io\/(?:library\/(?=[^/]+$))?/, '')
  // a first component like `foo.bar` would read as another registry's host: such a name stays long
  return parseReference(short) === reference ? short : reference
}

const domainPart = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const domainPattern = new RegExp(
  `^(?:${domainPart}(?:\\.${domainPart})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`,
)
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/

function split(text: string): {
  name: string
  tag: string | undefined
  digest: Digest | undefined
} {
  const at = text.indexOf('@')
  const front = at < 0 ? text : text.slice(0, at)
  const colon = front.indexOf(':', front.lastIndexOf('/') + 1)
  const tag = colon < 0 ? undefined : front.slice(colon + 1)
  return {
    name: colon < 0 ? front : front.slice(0, colon),
    tag,
    digest: at < 0 ? undefined : digestOf(text, at),
  }
}

function digestOf(text: string, at: number): Digest {
  try {
    return parseDigest(text.slice(at + 1))
  } catch (cause) {
    throw invalid(
      text,
      'what follows @ is not a digest',
      'write @sha256: and 64 lower-case hex digits',
      cause,
    )
  }
}

/** The first component is a host if it looks like one: a dot, a port, upper case, or `localhost`. */
function locate(name: string): { domain: string; path: string } {
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(slash, 0))
  const isHost =
    slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase())
  let domain = isHost ? first : 'docker.io'
  let path = isHost ? name.slice(slash + 1) : name
  if (domain === 'index.docker.io') domain = 'docker.io'
  if (domain === 'docker.io' && path !== '' && !path.includes('/')) path = `library/${path}`
  return { domain, path }
}

function invalid(text: string, why: string, hint: string, cause?: unknown): PlinthError {
  return new PlinthError('REFERENCE_INVALID', `'${text}' is not an image name: ${why}`, {
    hint,
    cause,
  })
}
