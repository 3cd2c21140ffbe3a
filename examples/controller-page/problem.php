<?php
/** Sends errors as problem details (RFC 9457). An exception carries the problem to the sending code. */
declare(strict_types=1);

use Linkspan\LinkspanException;
use Linkspan\Problem;

final class Refused extends Exception
{
    public function __construct(public readonly Problem $problem)
    {
        parent::__construct($problem->detail);
    }

    /** Returns the result, or throws if it is a problem. */
    public static function unless(mixed $result): mixed
    {
        return $result instanceof Problem ? throw new self($result) : $result;
    }

    public static function unreachable(LinkspanException $error): self
    {
        return new self(Problem::unreachable($error));
    }
}

function send_problem(Problem $problem): void
{
    if (headers_sent()) {
        return; // a stream that has begun ends, and the page reconnects
    }
    http_response_code($problem->status);
    foreach ($problem->headers as $name => $value) {
        header("$name: $value");
    }
    echo $problem->body;
}
