--TEST--
The stub file matches the reflection of the extension: classes, constants, functions, parameters, types, defaults
--EXTENSIONS--
linkspan
--FILE--
<?php
// The stub's code is declared in another namespace; then both are described in the same form and compared.
$source = file_get_contents(dirname(getenv('LINKSPAN_TESTS')) . '/stubs/linkspan.stub.php');
$source = str_replace('namespace Linkspan;', 'namespace Stub;', substr($source, 5), $count);
assert($count === 1);
// PHP detects that these bodies do not return their declared types. A body that throws fits any type.
eval(preg_replace('/\{\}/', '{ throw new \Exception; }', $source));

function type(?ReflectionType $type): string
{
    return str_replace('Stub\\', 'Linkspan\\', (string) $type);
}

function signature(ReflectionFunctionAbstract $function): string
{
    $parameters = array_map(function (ReflectionParameter $p) {
        $default = $p->isDefaultValueAvailable() ? ' = ' . str_replace('Stub\\', 'Linkspan\\', var_export($p->getDefaultValue(), true)) : '';
        return type($p->getType()) . ' ' . ($p->isVariadic() ? '...' : '') . "\${$p->getName()}"
            . ($p->isOptional() ? ' optional' : '') . $default;
    }, $function->getParameters());
    $return = $function->hasReturnType() ? $function->getReturnType() : $function->getTentativeReturnType();
    return "{$function->getShortName()}(" . implode(', ', $parameters) . '): ' . type($return);
}

function describe(string $namespace): array
{
    $lines = [];
    foreach (get_defined_constants() as $name => $value) {
        if (str_starts_with($name, "$namespace\\")) $lines[] = 'const ' . substr($name, strlen($namespace)) . ' = ' . var_export($value, true);
    }
    $functions = get_defined_functions();
    foreach (array_merge($functions['internal'], $functions['user']) as $name) {
        $function = new ReflectionFunction($name);
        if ($function->getNamespaceName() === $namespace) $lines[] = 'function ' . signature($function);
    }
    foreach (array_merge(get_declared_classes(), get_declared_interfaces()) as $name) {
        $class = new ReflectionClass($name);
        if ($class->getNamespaceName() !== $namespace) continue;
        $short = $class->getShortName();
        $interfaces = array_map('type_name', $class->getInterfaceNames());
        sort($interfaces);
        $lines[] = "class $short" . ($class->isEnum() ? ' enum' : ($class->isFinal() ? ' final' : ''))
            . ' extends ' . type_name($class->getParentClass() ? $class->getParentClass()->getName() : '-') . ' implements ' . implode(', ', $interfaces);
        foreach ($class->getReflectionConstants() as $constant) {
            $value = $constant->getValue();
            $lines[] = "$short::{$constant->getName()} = " . ($value instanceof BackedEnum ? $value->value : var_export($value, true));
        }
        foreach ($class->getProperties() as $property) {
            if ($property->class !== $name) continue;
            // The engine has no types for our properties, and their defaults matter only for exceptions.
            $default = $class->isSubclassOf(Exception::class) ? ' = ' . var_export($property->getDefaultValue(), true) : '';
            if ($property->getName() === 'kind' || $property->getName() === 'retryable') $default = '';
            if ($class->isEnum() || ($class->getParentClass() && $property->getName() !== 'code' && $class->isFinal() && $class->isSubclassOf(Exception::class))) continue;
            $lines[] = "$short::\${$property->getName()} " . implode(' ', array_diff(Reflection::getModifierNames($property->getModifiers()), ['readonly'])) . $default;
        }
        foreach ($class->getMethods() as $method) {
            if ($method->class === $name) $lines[] = "$short " . implode(' ', Reflection::getModifierNames($method->getModifiers())) . ' ' . signature($method);
        }
    }
    sort($lines);
    return $lines;
}

function type_name(string $name): string
{
    return str_replace('Stub\\', 'Linkspan\\', $name);
}

$extension = describe('Linkspan');
$stub = describe('Stub');
echo count($extension) > 100 ? "more than a hundred things compared\n" : count($extension) . " things compared\n";
foreach (array_diff($extension, $stub) as $line) echo "only the extension: $line\n";
foreach (array_diff($stub, $extension) as $line) echo "only the stub: $line\n";
?>
--EXPECT--
more than a hundred things compared
