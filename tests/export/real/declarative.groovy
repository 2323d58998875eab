// A stand-in for Jenkins' declarative pipeline: stages run in their order (parallel ones one after
// the other), each in a workspace of its own that is cloned from the project, with real `sh`.
// What the real one has and this one does not know is an error.
import java.nio.file.*

class Known {
    static run(Object delegate, Closure body) {
        body.delegate = delegate
        body.resolveStrategy = Closure.DELEGATE_FIRST
        body.call()
    }
}

class Options {
    def disableConcurrentBuilds() {}
    def timestamps() {}
    def logRotator(Map m) { assert m.keySet() == ['numToKeepStr'] as Set; m }
    def buildDiscarder(Object o) {}
    def agent() { 'agent' }
    def nonresumable() { 'nonresumable' }
    def retry(Map m) { assert m.count > 0 && m.conditions == ['agent', 'nonresumable'] }
}

class Parameters {
    Map found = [:]
    def string(Map m) {
        assert m.keySet() == ['name', 'defaultValue', 'description'] as Set
        found[m.name] = m.defaultValue
    }
}

class Triggers { List crons = []; def cron(String s) { crons << s } }

class Environment {
    Map values = [:]
    Map env = [:]
    void setProperty(String name, Object value) { this.@values[name] = value.toString() }
    def getProperty(String name) { name == 'env' ? this.@env : this.@values[name] }
    def credentials(String name) { 'secret-of-' + name }
}

class Agent { def label(String s) { assert s } }

class Steps {
    Jenkins jenkins; File workspace; Map env
    def sh(String script) {
        def file = File.createTempFile('step', '.sh')
        file.setText(script, 'UTF-8')
        def builder = new ProcessBuilder(['sh', '-e', file.path])
        builder.directory(workspace).inheritIO()
        builder.environment().putAll(env.collectEntries { k, v -> [(k): v.toString()] })
        def code = builder.start().waitFor()
        file.delete()
        if (code != 0) throw new RuntimeException("script returned exit code $code")
    }
    def timeout(Map m, Closure body) {
        assert m.time > 0 && m.unit == 'MINUTES'
        Known.run(this, body)
    }
    def retry(int count, Closure body) {
        assert count > 0
        Known.run(this, body)
    }
    def stash(Map m) {
        assert m.keySet() == ['name', 'includes', 'useDefaultExcludes'] as Set
        assert !jenkins.stashes.containsKey(m.name)
        def file = new File(workspace, m.includes)
        assert file.isFile()
        jenkins.stashes[m.name] = [m.includes, file.bytes]
    }
    def unstash(String name) {
        def (path, bytes) = jenkins.stashes[name]
        def file = new File(workspace, path)
        file.parentFile.mkdirs()
        file.bytes = bytes
    }
    def archiveArtifacts(Map m) {
        assert m.allowEmptyArchive && !m.defaultExcludes
        m.artifacts.split(',').each { pattern ->
            assert pattern.endsWith('/**')
            def from = new File(workspace, pattern[0..-4])
            if (from.exists()) {
                def to = new File(jenkins.archive, pattern[0..-4])
                to.mkdirs()
                assert ['cp', '-R', from.path + '/.', to.path].execute().waitFor() == 0
            }
        }
    }
    def junit(Map m) {
        assert m.allowEmptyResults
        def file = new File(workspace, m.testResults)
        if (file.exists()) javax.xml.parsers.DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file)
    }
}

class Post { Closure always; def always(Closure c) { this.always = c } }

class Stage {
    Jenkins jenkins; String name
    Closure steps, post; Closure environment
    def agent(Object o) {}
    def agent(Closure c) { Known.run(new Agent(), c) }
    def getAny() { 'any' }
    def options(Closure c) { Known.run(new Options(), c) }
    def environment(Closure c) { this.environment = c }
    def steps(Closure c) { this.steps = c }
    def post(Closure c) { this.post = c }
    def parallel(Closure c) { Known.run(new Stages(jenkins: jenkins), c) }
    void go() {
        if (steps == null) return
        jenkins.stages << name
        def workspace = new File(jenkins.folder, "workspace-${jenkins.stages.size()}")
        assert ['git', 'clone', '-q', jenkins.project.path, workspace.path].execute().waitFor() == 0
        def env = new HashMap(jenkins.env)
        env.WORKSPACE = workspace.path
        env.PATH = System.getenv('PATH')
        if (environment) {
            def e = new Environment(); e.@env.putAll(env)
            Known.run(e, environment)
            // An empty .venv/bin comes first here, as it would on an agent before it is made.
            env.putAll(e.@values)
        }
        def run = new Steps(jenkins: jenkins, workspace: workspace, env: env)
        try {
            Known.run(run, steps)
        } finally {
            if (post) {
                def p = new Post()
                Known.run(p, post)
                Known.run(run, p.always)
            }
        }
    }
}

class Stages {
    Jenkins jenkins
    Set names = []
    def stage(String name, Closure body) {
        assert names.add(name), "two stages are called $name"
        def one = new Stage(jenkins: jenkins, name: name)
        Known.run(one, body)
        one.go()
    }
}

class Jenkins {
    File project, folder, archive
    Map env = [:], stashes = [:]
    List stages = []
    Map parameters = [:]
    def getNone() { 'none' }
    def agent(Object o) { assert o == 'none' }
    def options(Closure c) { Known.run(new Options(), c) }
    def triggers(Closure c) { def t = new Triggers(); Known.run(t, c); println 'CRON ' + t.crons }
    def parameters(Closure c) {
        def p = new Parameters()
        Known.run(p, c)
        p.found.each { k, v -> env[k] = System.getenv('GIVEN_' + k) ?: v }
    }
    def environment(Closure c) { def e = new Environment(); Known.run(e, c); env.putAll(e.@values) }
    def stages(Closure c) { Known.run(new Stages(jenkins: this), c) }
}

def jenkins = new Jenkins(project: new File(args[0]), folder: new File(args[1]), archive: new File(args[1], 'archive'))
def shell = new GroovyShell(this.class.classLoader, new Binding([pipeline: { Closure c -> Known.run(jenkins, c) }]))
try {
    shell.evaluate(new File(args[0], 'Jenkinsfile'))
} finally {
    new File(args[1], 'stages.json').text = groovy.json.JsonOutput.toJson(jenkins.stages)
}
