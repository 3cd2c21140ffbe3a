<?php
/** Errors as RFC 9457 tells them: a status for HTTP, and in the body the number, the name and the text of the one table. */
declare(strict_types=1);

use Linkspan\LinkspanException;

final class Problem extends Exception
{
    /** What HTTP calls the kinds of errors; 500 for the rest. */
    private const STATUS = [
        'Malformed' => 400, 'OutOfRange' => 400, 'WrongType' => 400, 'InvalidEndpoint' => 400, 'PermissionDenied' => 403,
        'NotFound' => 404, 'Missing' => 404, 'Empty' => 404, 'InvalidState' => 409, 'AddressInUse' => 409, 'Cancelled' => 409,
        'TooLarge' => 413, 'Unsupported' => 422, 'SchemaMismatch' => 422, 'Remote' => 502, 'VersionMismatch' => 502,
        'Disconnected' => 503, 'TransportUnavailable' => 503, 'OutOfMemory' => 503, 'Full' => 503, 'Interrupted' => 503,
        'Lagged' => 503, 'Timeout' => 504, 'Stalled' => 504, 'NoSpace' => 507,
    ];

    public function __construct(
        public readonly int $status,
        int $code,
        private readonly string $kind,
        string $detail,
        public ?array $answer = null,
        private readonly ?string $allow = null,
    ) {
        parent::__construct($detail, $code);
    }

    public static function of(LinkspanException $error): self
    {
        $status = self::STATUS[$error->getKind()] ?? 500;
        if ($error->getRemoteType() !== null) {
            return new self($status, $error->getRemoteCode() ?? $error->getCode(), $error->getRemoteType(), (string) $error->getRemoteText());
        }
        return new self($status, $error->getCode(), $error->getKind(), $error->getMessage());
    }

    /** The controller cannot be asked: whatever the reason, later it may go. */
    public static function away(LinkspanException $error): self
    {
        return new self(503, $error->getCode(), $error->getKind(), $error->getMessage());
    }

    public function send(): void
    {
        if (headers_sent()) {
            return; // a stream that has begun ends, and the page comes again
        }
        http_response_code($this->status);
        header('Content-Type: application/problem+json');
        if ($this->allow !== null) {
            header("Allow: $this->allow");
        }
        if ($this->status === 401) {
            header('WWW-Authenticate: Bearer realm="linkspan"');
        }
        if ($this->status === 503) {
            header('Retry-After: 1');
        }
        $body = [
            'type' => "urn:linkspan:error:$this->kind", 'title' => $this->kind, 'status' => $this->status,
            'detail' => $this->getMessage(), 'code' => $this->getCode(), 'kind' => $this->kind,
        ];
        echo json_encode($body + ($this->answer === null ? [] : ['answer' => $this->answer]), JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
    }

    public static function method(string $allow): self
    {
        return new self(405, 116, 'Unsupported', "this address takes $allow alone", allow: $allow);
    }
}
