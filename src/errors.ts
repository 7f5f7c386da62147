/**
 * Every code plinth can fail with, and the exit code the command line gives it:
 * 1 the build's own failure, 64 usage, 65 bad input data, 69 unreachable, 70 a bug, 71 this machine
 * lacks something, 74 input/output, 130 interrupted (sysexits(3), design.md).
 */
export const exitCodes = {
  // usage
  USAGE: 64,
  RECIPE_NOT_FOUND: 64,
  RECIPE_INVALID: 64,
  PARAM_INVALID: 64,
  REFERENCE_INVALID: 64,
  PLATFORM_INVALID: 64,
  OUTPUT_INVALID: 64,
  // sources and trust
  SUITE_NOT_FOUND: 65,
  COMPONENT_NOT_FOUND: 65,
  ARCHITECTURE_NOT_FOUND: 65,
  RELEASE_INVALID: 65,
  RELEASE_EXPIRED: 65,
  SIGNATURE_MISSING: 65,
  SIGNATURE_INVALID: 65,
  SIGNATURE_WEAK: 65,
  KEY_UNKNOWN: 65,
  KEY_EXPIRED: 65,
  KEY_REVOKED: 65,
  INDEX_INVALID: 65,
  DIGEST_MISMATCH: 65,
  SIZE_MISMATCH: 65,
  // solving
  PACKAGE_NOT_FOUND: 65,
  VERSION_NOT_FOUND: 65,
  UNSATISFIABLE: 65,
  // images
  IMAGE_INVALID: 65,
  IMAGE_NOT_FOUND: 65,
  DOCKERFILE_INVALID: 65,
  // what a build copies and runs
  COPY_SOURCE_MISSING: 65,
  COPY_SOURCE_OUTSIDE: 65,
  COPY_CONFLICT: 65,
  CONTEXT_CHANGED: 65,
  USER_UNKNOWN: 65,
  SECRET_MISSING: 65,
  // package and archive content
  ARCHIVE_INVALID: 65,
  COMPRESSION_UNKNOWN: 65,
  DECOMPRESSION_BOMB: 65,
  CONTROL_INVALID: 65,
  PATH_UNSAFE: 65,
  ENTRY_UNSUPPORTED: 65,
  FILE_CONFLICT: 65,
  // network
  UNREACHABLE: 69,
  HTTP_STATUS: 69,
  TRANSFER_INCOMPLETE: 69,
  TRANSFER_TIMEOUT: 69,
  ENGINE_UNREACHABLE: 69,
  ENGINE_REFUSED: 69,
  // running
  RUN_FAILED: 1,
  SCRIPT_FAILED: 1,
  // as shells and engines say it
  PROGRAM_NOT_FOUND: 127,
  EXECUTOR_UNAVAILABLE: 71,
  NAMESPACE_UNAVAILABLE: 71,
  SUBIDS_MISSING: 71,
  TOOL_MISSING: 71,
  // store and machine
  STORE_INVALID: 74,
  STORE_CORRUPT: 74,
  DISK_FULL: 74,
  IO: 74,
  INTERRUPTED: 130,
  INTERNAL: 70,
} as const

/** A stable name for one way to fail; programs may rely on it. */
export type ErrorCode = keyof typeof exitCodes

/** Further facts about a failure. */
export interface ErrorDetails {
  /** what to do next, one sentence */
  readonly hint?: string | undefined
  readonly cause?: unknown
  /** machine-readable facts for `--json` */
  readonly facts?: Readonly<Record<string, unknown>> | undefined
}

/**
 * The one error class. `message` says what could not be done and why
 * ("cannot use Packages.xz: expected sha256:…, got sha256:…"), `hint` what to do.
 */
export class PlinthError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly facts: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'PlinthError'
    this.code = code
    this.hint = details.hint
    this.facts = details.facts
  }
}

/** Whether `error` is a plinth error, optionally of one of `codes`. */
export function isPlinthError(
  error: unknown,
  ...codes: readonly ErrorCode[]
): error is PlinthError {
  return error instanceof PlinthError && (codes.length === 0 || codes.includes(error.code))
}
