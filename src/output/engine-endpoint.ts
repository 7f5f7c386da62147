import type { RequestOptions } from 'node:http'
import { PlinthError } from '../errors.ts'

/** Certificates for an engine reached over TLS, PEM. */
export interface EngineTls {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** Where an engine listens, in a form for `node:http` and `node:https`. */
export interface EngineEndpoint {
  /** as people write it, for messages */
  readonly address: string
  readonly secure: boolean
  readonly options: RequestOptions & EngineTls
}

/**
 * Parses an address as `DOCKER_HOST` has it: `unix:///path`, `tcp://host:port`, `http://`, `https://`, or
 * the bare path of a socket. With `tls`, `tcp://` is TLS. Throws `OUTPUT_INVALID` for anything else.
 */
export function parseEndpoint(address: string, tls?: EngineTls): EngineEndpoint {
  if (address.startsWith('/') || address.startsWith('unix://')) {
    return {
      address,
      secure: false,
      options: { socketPath: address.replace(/^unix:\/\//, ''), host: 'localhost' },
    }
  }
  const match = /^(tcp|https?):\/\/(\[[0-9a-fA-F:]+\]|[^:/]+)(?::([0-9]{1,5}))?\/?$/.exec(address)
  if (match === null) {
    throw new PlinthError(
      'OUTPUT_INVALID',
      `cannot reach an engine at '${address}': only unix:// and tcp:// addresses are known`,
      {
        hint: 'for an engine over ssh, forward its socket first: ssh -L /tmp/engine.sock:/var/run/docker.sock HOST',
      },
    )
  }
  const [, scheme, host = '', port] = match
  const secure = scheme === 'https' || (scheme === 'tcp' && tls !== undefined)
  const options = {
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port ?? (secure ? 2376 : 2375)),
    ...(secure && tls),
  }
  return { address, secure, options }
}
